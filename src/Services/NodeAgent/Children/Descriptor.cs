using System.Runtime.InteropServices;

namespace FlatRender.NodeAgent.Children;

/// <summary>What the kernel can be told about an open file.</summary>
static partial class Descriptor
{
    /// <returns>Negative where the kernel refuses.</returns>
    [LibraryImport("libc", EntryPoint = "fcntl")]
    public static partial int Control(SafeHandle file, int command, int argument);
}

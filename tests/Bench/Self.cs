using System.Diagnostics;

namespace FlatRender.Bench;

/// <summary>This program once more, as a part of a benchmark that runs in several processes; whether it was started by itself or through dotnet.</summary>
static class Self
{
    public static ProcessStartInfo With(params string[] words)
    {
        var host = Environment.ProcessPath!;
        return new ProcessStartInfo(host, Path.GetFileNameWithoutExtension(host) == "dotnet" ? [typeof(Self).Assembly.Location, .. words] : words) { RedirectStandardInput = true, RedirectStandardOutput = true };
    }
}

using System.Buffers;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using FlatRender.NodeAgent.Pixels;
using Microsoft.Win32.SafeHandles;

namespace FlatRender.NodeAgent.Children;

/// <summary>Memory for a few frames that an engine child writes and the agent reads where it lies: an unnamed file that the child inherits. Through a pipe a frame is copied once more,
/// takes a fresh page for each 4 KiB and wakes both sides for each piece. What the child does to a frame that it has given away changes that frame only, and the second drawing finds it.</summary>
sealed unsafe partial class FrameRoom : IDisposable
{
    const int SetDescriptorFlags = 2, AddSeals = 1033, SealSeal = 1, SealShrink = 2, SealGrow = 4;
    const uint CloseOnExec = 1, AllowSealing = 2;
    readonly SafeFileHandle _file;
    MemoryMappedFile? _mapped;
    MemoryMappedViewAccessor? _view;
    int _frameBytes;

    FrameRoom(SafeFileHandle file) => _file = file;

    /// <summary>Null where the kernel has no such files: frames come through the pipe then.</summary>
    public static FrameRoom? Open()
    {
        if (!OperatingSystem.IsLinux()) return null;
        var file = new SafeFileHandle(Create("frames", CloseOnExec | AllowSealing), ownsHandle: true);
        if (!file.IsInvalid) return new(file);
        file.Dispose();
        return null;
    }

    public int Slots { get; private set; }

    /// <summary>What the child calls it, too.</summary>
    public int Number => (int)_file.DangerousGetHandle();

    /// <summary>Makes it as large as it needs to be, the first time. It is sealed then: cut short by the child it would take the agent down, and grown it would be memory outside the child's limit.</summary>
    /// <returns>Whether frames of this size have room.</returns>
    public bool SizeFor(int frameBytes)
    {
        if (_view is not null || _file.IsClosed) return frameBytes == _frameBytes && _view is not null;
        Slots = Buffers.CountFor(frameBytes);
        RandomAccess.SetLength(_file, (long)Slots * frameBytes);
        if (Descriptor.Control(_file, AddSeals, SealSeal | SealShrink | SealGrow) != 0)
        {
            _file.Dispose();
            return false;
        }
        _mapped = MemoryMappedFile.CreateFromFile(_file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _mapped.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _frameBytes = frameBytes;
        return true;
    }

    /// <summary>The frame in a slot. Who disposes of it gives the slot back, told by <paramref name="back"/>.</summary>
    public IMemoryOwner<byte> Frame(int slot, Action back) => new Lent(_view!.SafeMemoryMappedViewHandle, slot * _frameBytes, _frameBytes, back);

    /// <summary>Whether children that are started from now on inherit it.</summary>
    public void Lend(bool lent) => _ = Descriptor.Control(_file, SetDescriptorFlags, lent ? 0 : (int)CloseOnExec);

    /// <summary>Frames that are still looked at stay readable until they are given back.</summary>
    public void Dispose()
    {
        _view?.Dispose();
        _mapped?.Dispose();
        _file.Dispose();
    }

    sealed class Lent : MemoryManager<byte>
    {
        readonly SafeMemoryMappedViewHandle _view;
        readonly byte* _first;
        readonly int _length;
        Action? _back;

        public Lent(SafeMemoryMappedViewHandle view, long from, int length, Action back)
        {
            (_view, _length, _back) = (view, length, back);
            byte* first = null;
            view.AcquirePointer(ref first);
            _first = first + from;
        }

        public override Span<byte> GetSpan() => new(_first, _length);
        public override MemoryHandle Pin(int elementIndex = 0) => new(_first + elementIndex);
        public override void Unpin() { }

        protected override void Dispose(bool disposing)
        {
            if (Interlocked.Exchange(ref _back, null) is not { } back) return;
            _view.ReleasePointer();
            back();
        }
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Create(string name, uint flags);
}

namespace Offload.Storage.Interop;

/// <summary>IORING_OP_*, linux/io_uring.h.</summary>
internal enum IoUringOperation : byte
{
    Nop = 0,
    ReadFixed = 4,
    WriteFixed = 5,
    Read = 22,
    Write = 23,
}

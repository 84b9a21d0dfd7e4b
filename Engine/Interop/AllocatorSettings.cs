using System.Runtime.InteropServices;

namespace Offload.Engine.Interop;

/// <summary>How the C library keeps what libtorch frees: its tensors on the CPU come from malloc.</summary>
internal static partial class AllocatorSettings
{
    private const int TrimThreshold = -1;
    private const int MmapThreshold = -3;

    /// <summary>
    /// Blocks of at least 1 MiB are mapped one by one and so given back when they are freed; of smaller ones no more than 1 MiB is kept at the
    /// heap's end. glibc left alone raises its threshold to the largest block that was freed, 32 MiB at most, and keeps what lies below. Forward
    /// and backward of a bf16 layer, 4 x 256 tokens, H 512, in turns with the head, of tensors that take 29.7 MiB at most at once:
    /// <code>
    ///              peak growth   kept after   CPU time, user + system
    /// left alone   41 to 51 MiB    21 MiB     0.54 s
    /// 32 MiB             48 MiB    26 MiB     0.73 s
    /// 4 MiB              41 MiB    22 MiB     0.77 s
    /// 1 MiB              31 MiB     3 MiB     1.03 s
    /// 256 KiB            31 MiB     2 MiB     1.05 s
    /// </code>
    /// The formula of exact GELU: 122 MiB at most at once, 187 if left alone. The time is pages that the system zeroes anew, dear in a virtual
    /// machine; it goes with rows times width, as compute goes with rows times width squared, so a real model pays a small part of it.
    /// </summary>
    private const int ThresholdBytes = 1 << 20;

    private static readonly Lazy<bool> Applied = new(Apply);

    /// <summary>
    /// Has the resident memory follow what is allocated: for models with a budget. Once a process; any thread. A C library that is not glibc is
    /// left alone: musl gives large blocks back anyway.
    /// </summary>
    /// <returns>Whether it was done.</returns>
    public static bool KeepNothing() => Applied.Value;

    private static bool Apply()
    {
        try
        {
            return mallopt(MmapThreshold, ThresholdBytes) == 1 && mallopt(TrimThreshold, ThresholdBytes) == 1;
        }
        catch (Exception error) when (error is EntryPointNotFoundException or DllNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}

using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Offload.Storage.Interop;

/// <summary>
/// A sleep of nanosecond resolution that another thread can end: an eventfd under ppoll. What .NET offers counts in whole milliseconds,
/// several transfers of a fast disk. One thread waits, any signals.
/// </summary>
internal sealed unsafe partial class WakeableTimer : IDisposable
{
    private const int EventCloseOnExecNonBlocking = Libc.CloseOnExec | 0x800;
    private const short PollIn = 1;
    private const int SetTimerSlack = 29;
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly int _descriptor;

    internal WakeableTimer()
    {
        _descriptor = EventFd(0, EventCloseOnExecNonBlocking);
        if (_descriptor < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Lets the kernel end this thread's sleeps on time: by default it may round each up by 50 microseconds to save power.</summary>
    internal static void SharpenThisThread() => _ = ProcessControl(SetTimerSlack, 1, 0, 0, 0); // Refused: sleeps stay that much less exact.

    /// <summary>Sleeps so long, or until signalled; signals since the last wait count, once.</summary>
    /// <param name="nanoseconds">How long; <see cref="long.MaxValue"/>: until signalled.</param>
    internal void Wait(long nanoseconds)
    {
        var poll = new Poll { Descriptor = _descriptor, Events = PollIn };
        var time = new TimeSpec { Seconds = nanoseconds / NanosecondsPerSecond, Nanoseconds = nanoseconds % NanosecondsPerSecond };
        int ready = PollUntil(&poll, 1, nanoseconds == long.MaxValue ? null : &time, null);
        if (ready < 0 && Marshal.GetLastPInvokeError() is int error and not Libc.Eintr)
        {
            throw new Win32Exception(error);
        }

        if (ready > 0)
        {
            ulong count;
            _ = Read(_descriptor, &count, sizeof(ulong)); // Only resets it; it is there, poll said so.
        }
    }

    /// <summary>Ends the wait, or the next one.</summary>
    internal void Signal()
    {
        ulong one = 1;
        _ = Write(_descriptor, &one, sizeof(ulong)); // Fails only when 2^64 - 2 signals wait already.
    }

    /// <summary>Frees the descriptor; nobody may wait or signal any more.</summary>
    public void Dispose() => _ = Libc.Close(_descriptor);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "ppoll", SetLastError = true)]
    private static partial int PollUntil(Poll* polls, nuint count, TimeSpec* time, void* signals);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int descriptor, void* buffer, nuint sizeBytes);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, void* buffer, nuint sizeBytes);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int ProcessControl(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    private struct Poll
    {
        internal int Descriptor;
        internal short Events;
        internal short ReturnedEvents;
    }

    private struct TimeSpec
    {
        internal long Seconds;
        internal long Nanoseconds;
    }
}

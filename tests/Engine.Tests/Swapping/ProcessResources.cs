using Offload.Storage.Memory;
using TorchSharp;

namespace Offload.Engine.Tests.Swapping;

/// <summary>What a run must give back.</summary>
/// <param name="BufferBytes">Native buffers.</param>
/// <param name="MappedBytes">Slots.</param>
/// <param name="Tensors">Handles of tensors.</param>
/// <param name="Threads">Threads of the library.</param>
internal sealed record ProcessResources(long BufferBytes, long MappedBytes, long Tensors, int Threads)
{
    /// <summary>How long a thread that was joined may still be seen.</summary>
    private static readonly TimeSpan ThreadExit = TimeSpan.FromSeconds(2);

    /// <summary>What is held while nothing runs: threads that were joined have had time to go.</summary>
    public static ProcessResources AtRest()
    {
        Thread.Sleep(ThreadExit / 10);
        return Now();
    }

    /// <summary>What is held now.</summary>
    public static ProcessResources Now() => new(NativeBuffer.OutstandingBytes, SlotArena.OutstandingBytes, torch.Tensor.TotalCount, CountThreads());

    /// <summary>What is held now; if there are more threads than at rest, once they have had time to go.</summary>
    public static ProcessResources After(ProcessResources atRest)
    {
        DateTime end = DateTime.UtcNow + ThreadExit;
        ProcessResources now = Now();
        while (now.Threads > atRest.Threads && DateTime.UtcNow < end)
        {
            Thread.Sleep(10);
            now = Now();
        }

        return now;
    }

    private static int CountThreads() => Directory.EnumerateDirectories("/proc/self/task").Count(task =>
    {
        try
        {
            return File.ReadAllText(Path.Join(task, "comm")).StartsWith("offload-", StringComparison.Ordinal);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It has ended meanwhile.
            return false;
        }
    });
}

using Offload.Profiles;
using Offload.Storage;

namespace Offload.Tests.Infrastructure.States;

/// <summary>
/// Gives broken labels, first blocks, descriptions, commit records and safetensors headers to those that read them, most with their checksums put
/// right, so that the code behind the checksum is reached. Only the documented errors may come out, in one line, without much memory taken.
/// </summary>
public static class StoreFuzz
{
    private const long MaxAllocatedBytesPerCase = 1 << 20;

    /// <summary>What happened.</summary>
    /// <param name="Cases">Cases that were run.</param>
    /// <param name="Refused">Those that ended with a documented error.</param>
    /// <param name="Problem">The first that went wrong, with its seed; null: none.</param>
    public sealed record Result(int Cases, int Refused, string? Problem);

    /// <summary>Runs cases with the seeds that follow the first one.</summary>
    public static Result Run(int numCases, int firstSeed)
    {
        using var target = new StoreFuzzTarget();
        int numRefused = 0;
        for (int index = 0; index < numCases; index++)
        {
            int seed = firstSeed + index;
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                target.Run(new Random(seed), kind: index % StoreFuzzTarget.NumKinds);
            }
            catch (Exception error) when (IsDocumented(error, index % StoreFuzzTarget.NumKinds))
            {
                numRefused++;
                if (error.Message.Contains('\n', StringComparison.Ordinal))
                {
                    return new Result(index + 1, numRefused, $"seed {seed}: a message of several lines: {error.Message}");
                }
            }
#pragma warning disable CA1031 // Any other error is what is looked for.
            catch (Exception error)
#pragma warning restore CA1031
            {
                return new Result(index + 1, numRefused, $"seed {seed}: {error}");
            }

            long allocatedBytes = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocatedBytes > MaxAllocatedBytesPerCase)
            {
                return new Result(index + 1, numRefused, $"seed {seed}: {allocatedBytes} bytes were allocated");
            }
        }

        return new Result(numCases, numRefused, Problem: null);
    }

    private static bool IsDocumented(Exception error, int kind) =>
        kind == StoreFuzzTarget.SafetensorsKind ? error is UnreadableInputException : error is OffloadException and (StoreMismatchException or StorageException);
}

using Offload.Storage.Memory;

namespace Offload.Engine.Swapping;

/// <summary>Memory of the numbers that a device gives and takes in the periods of a ring: losses, sums of squares, staged batches. Owns it.</summary>
internal sealed unsafe class StepMemory : IDisposable
{
    private readonly NativeBuffer _buffer;
    private readonly IDisposable? _pin;
    private readonly long _periodBytes;

    /// <param name="numPeriods">Periods of the ring.</param>
    /// <param name="numUnits">Units of the model.</param>
    /// <param name="numMicroBatches">Most micro-batches of a period.</param>
    /// <param name="rows">Rows of the largest micro-batch.</param>
    /// <param name="device">Who reads and writes it.</param>
    public StepMemory(int numPeriods, int numUnits, int numMicroBatches, int rows, ISwapDevice device)
    {
        (NumUnits, NumMicroBatches, Rows, IsStaged) = (numUnits, numMicroBatches, rows, device.IsSeparate);
        _periodBytes = PeriodBytes(numUnits, numMicroBatches, rows, IsStaged);
        _buffer = new NativeBuffer(numPeriods * _periodBytes);
        try
        {
            _pin = device.Pin((byte*)_buffer.Address, _buffer.SizeBytes);
        }
        catch
        {
            _buffer.Dispose();
            throw;
        }
    }

    /// <summary>Units of the model.</summary>
    public int NumUnits { get; }

    /// <summary>Most micro-batches of a period.</summary>
    public int NumMicroBatches { get; }

    /// <summary>Rows of the largest micro-batch.</summary>
    public int Rows { get; }

    /// <summary>Whether batches are staged.</summary>
    public bool IsStaged { get; }

    /// <summary>Bytes of a period.</summary>
    public static long PeriodBytes(int numUnits, int numMicroBatches, int rows, bool isStaged)
    {
        long sizeBytes = ((long)(numUnits + numMicroBatches) * sizeof(double)) + (isStaged ? numMicroBatches * BatchBytes(rows) : 0);
        return (sizeBytes + NativeBuffer.AlignmentBytes - 1) / NativeBuffer.AlignmentBytes * NativeBuffer.AlignmentBytes;
    }

    /// <summary>By unit: sum of squares of its rounded gradients.</summary>
    public double* SumsOfSquares(int period) => (double*)((byte*)_buffer.Address + (period * _periodBytes));

    /// <summary>By micro-batch: sum of its tokens' losses.</summary>
    public double* Losses(int period) => SumsOfSquares(period) + NumUnits;

    /// <summary>A place for a staged batch.</summary>
    public StagedBatch Batch(int period, int microBatch) =>
        new(IsStaged ? (int*)((byte*)(Losses(period) + NumMicroBatches) + (microBatch * BatchBytes(Rows))) : null, Rows);

    public void Dispose()
    {
        _pin?.Dispose();
        _buffer.Dispose();
    }

    private static long BatchBytes(int rows) => (((long)StagedBatch.IntsPerRow * rows) + 2) / 2 * 2 * sizeof(int);
}

using Offload.Engine.Compute;

namespace Offload.Engine.Swapping;

/// <summary>
/// A micro-batch, and its tokens in memory that a device reads. Where nothing is staged the pointers are null. The memory is that of the
/// <see cref="StepMemory"/> it was staged in, until the next batch is staged there.
/// </summary>
internal sealed unsafe class StagedBatch
{
    /// <summary>Numbers that are staged for a row.</summary>
    public const int IntsPerRow = 5;

    private readonly int* _memory;
    private readonly int _maxRows;
    private int[] _sortedIds = [];

    /// <param name="memory">Room for <see cref="IntsPerRow"/> * <paramref name="maxRows"/> + 1 numbers; null: nothing is staged.</param>
    /// <param name="maxRows">Rows of the largest micro-batch.</param>
    public StagedBatch(int* memory, int maxRows)
    {
        _memory = memory;
        _maxRows = maxRows;
    }

    /// <summary>A batch that is not staged.</summary>
    public StagedBatch(MicroBatch batch)
        : this(null, 0) => Batch = batch;

    /// <summary>The micro-batch.</summary>
    public MicroBatch Batch { get; private set; } = null!;

    /// <summary>Sequences and tokens.</summary>
    public BatchShape Shape => Batch.Shape;

    /// <summary>[rows].</summary>
    public int* Ids => _memory;

    /// <summary>[rows].</summary>
    public int* Targets => Part(1);

    /// <summary>The ids that occur, ascending. [<see cref="NumDistinct"/>]</summary>
    public int* DistinctIds => Part(2);

    /// <summary>Rows by id, those of one id ascending. [rows]</summary>
    public int* Order => Part(3);

    /// <summary>Where the rows of each distinct id begin in <see cref="Order"/>, and their end. [<see cref="NumDistinct"/> + 1]</summary>
    public int* Starts => Part(4);

    /// <summary>Ids that occur.</summary>
    public int NumDistinct { get; private set; }

    /// <summary>Takes the place of the batch before.</summary>
    public void Set(MicroBatch batch)
    {
        Batch = batch;
        if (_memory is null)
        {
            return;
        }

        int rows = batch.Shape.Rows;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, _maxRows, nameof(batch));
        batch.Ids.AsSpan(0, rows).CopyTo(new Span<int>(Ids, rows));
        batch.Targets.AsSpan(0, rows).CopyTo(new Span<int>(Targets, rows));
        if (_sortedIds.Length < rows)
        {
            _sortedIds = new int[_maxRows];
        }

        // The embedding's gradient adds the rows of an id in their order, whatever the device.
        Span<int> ids = _sortedIds.AsSpan(0, rows);
        batch.Ids.AsSpan(0, rows).CopyTo(ids);
        var order = new Span<int>(Order, rows);
        for (int row = 0; row < rows; row++)
        {
            order[row] = row;
        }

        SortStably(ids, order);
        NumDistinct = 0;
        for (int i = 0; i < rows; i++)
        {
            if (i == 0 || ids[i] != ids[i - 1])
            {
                DistinctIds[NumDistinct] = ids[i];
                Starts[NumDistinct++] = i;
            }
        }

        Starts[NumDistinct] = rows;
    }

    private int* Part(int index) => _memory is null ? null : _memory + ((long)index * _maxRows);

    /// <summary>Span.Sort is not stable: ties are put in order afterwards.</summary>
    private static void SortStably(Span<int> ids, Span<int> rows)
    {
        ids.Sort(rows);
        int start = 0;
        for (int i = 1; i <= ids.Length; i++)
        {
            if (i == ids.Length || ids[i] != ids[start])
            {
                rows[start..i].Sort();
                start = i;
            }
        }
    }
}

using System.Buffers;

namespace Offload.Swap.Schedules;

/// <summary>
/// A list that grows in shared buffers and is taken as an array once: schedules of deep models have lists of megabytes, and thousands are built in a
/// search. One thread.
/// </summary>
internal sealed class PooledList<T>
    where T : unmanaged
{
    private T[] _items = ArrayPool<T>.Shared.Rent(256);

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Adds one.</summary>
    public void Add(in T item)
    {
        if (Count == _items.Length)
        {
            Grow(1);
        }

        _items[Count++] = item;
    }

    /// <summary>Adds some.</summary>
    public void AddRange(ReadOnlySpan<T> items)
    {
        if (Count + items.Length > _items.Length)
        {
            Grow(items.Length);
        }

        items.CopyTo(_items.AsSpan(Count));
        Count += items.Length;
    }

    /// <summary>All of them. The list is empty and not to be used from then on.</summary>
    public T[] Take()
    {
        T[] all = _items.AsSpan(0, Count).ToArray();
        ArrayPool<T>.Shared.Return(_items);
        _items = [];
        Count = 0;
        return all;
    }

    private void Grow(int more)
    {
        T[] larger = ArrayPool<T>.Shared.Rent(Math.Max(2 * _items.Length, Count + more));
        _items.AsSpan(0, Count).CopyTo(larger);
        ArrayPool<T>.Shared.Return(_items);
        _items = larger;
    }
}

using System.Diagnostics.CodeAnalysis;

namespace Offload.Storage.Devices;

/// <summary>A row linked by <see cref="IWaiting{T}.Next"/>: first in, first out. Not thread-safe.</summary>
internal struct WaitingList<T>
    where T : class, IWaiting<T>
{
    private T? _first;
    private T? _last;

    public readonly bool IsEmpty => _first is null;

    public void Add(T item)
    {
        item.Next = null;
        if (_last is null)
        {
            _first = item;
        }
        else
        {
            _last.Next = item;
        }

        _last = item;
    }

    public bool TryTake([NotNullWhen(true)] out T? item)
    {
        item = _first;
        if (item is null)
        {
            return false;
        }

        _first = item.Next;
        item.Next = null;
        if (_first is null)
        {
            _last = null;
        }

        return true;
    }
}

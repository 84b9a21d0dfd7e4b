using System.Diagnostics.CodeAnalysis;

namespace Offload.Storage.Devices;

/// <summary>Requests in a row, linked by <see cref="BlockRequest.Next"/>: first in, first out. Not thread-safe.</summary>
internal struct RequestList
{
    private BlockRequest? _first;
    private BlockRequest? _last;

    public readonly bool IsEmpty => _first is null;

    public void Add(BlockRequest request)
    {
        request.Next = null;
        if (_last is null)
        {
            _first = request;
        }
        else
        {
            _last.Next = request;
        }

        _last = request;
    }

    public bool TryTake([NotNullWhen(true)] out BlockRequest? request)
    {
        request = _first;
        if (request is null)
        {
            return false;
        }

        _first = request.Next;
        request.Next = null;
        if (_first is null)
        {
            _last = null;
        }

        return true;
    }
}

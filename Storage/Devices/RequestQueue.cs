using System.Diagnostics.CodeAnalysis;

namespace Offload.Storage.Devices;

/// <summary>Requests that wait, by priority and then in the order of their arrival. Not thread-safe.</summary>
internal sealed class RequestQueue
{
    private RequestList _urgent;
    private RequestList _normal;
    private RequestList _background;

    public bool IsEmpty => _urgent.IsEmpty && _normal.IsEmpty && _background.IsEmpty;

    public void Add(BlockRequest request)
    {
        switch (request.Priority)
        {
            case IoPriority.Urgent:
                _urgent.Add(request);
                break;
            case IoPriority.Normal:
                _normal.Add(request);
                break;
            default:
                _background.Add(request);
                break;
        }
    }

    public bool TryTake([NotNullWhen(true)] out BlockRequest? request) =>
        _urgent.TryTake(out request) || _normal.TryTake(out request) || _background.TryTake(out request);
}

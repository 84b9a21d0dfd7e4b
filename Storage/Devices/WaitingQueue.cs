using System.Diagnostics.CodeAnalysis;

namespace Offload.Storage.Devices;

/// <summary>Who waits, by priority and then in the order of arrival. Not thread-safe.</summary>
internal sealed class WaitingQueue<T>
    where T : class, IWaiting<T>
{
    private WaitingList<T> _urgent;
    private WaitingList<T> _normal;
    private WaitingList<T> _background;

    public bool IsEmpty => _urgent.IsEmpty && _normal.IsEmpty && _background.IsEmpty;

    public void Add(T item)
    {
        switch (item.Priority)
        {
            case IoPriority.Urgent:
                _urgent.Add(item);
                break;
            case IoPriority.Normal:
                _normal.Add(item);
                break;
            default:
                _background.Add(item);
                break;
        }
    }

    public bool TryTake([NotNullWhen(true)] out T? item) => _urgent.TryTake(out item) || _normal.TryTake(out item) || _background.TryTake(out item);
}

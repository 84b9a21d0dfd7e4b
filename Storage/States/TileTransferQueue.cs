using System.Diagnostics.CodeAnalysis;
using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>Transfers that wait, by priority and then in the order of their arrival, linked by <see cref="TileTransfer.NextInQueue"/>. Not thread-safe.</summary>
internal sealed class TileTransferQueue
{
    private List _urgent;
    private List _normal;
    private List _background;

    public void Add(TileTransfer transfer)
    {
        switch (transfer.Priority)
        {
            case IoPriority.Urgent:
                _urgent.Add(transfer);
                break;
            case IoPriority.Normal:
                _normal.Add(transfer);
                break;
            default:
                _background.Add(transfer);
                break;
        }
    }

    public bool TryTake([NotNullWhen(true)] out TileTransfer? transfer) =>
        _urgent.TryTake(out transfer) || _normal.TryTake(out transfer) || _background.TryTake(out transfer);

    private struct List
    {
        private TileTransfer? _first;
        private TileTransfer? _last;

        public void Add(TileTransfer transfer)
        {
            transfer.NextInQueue = null;
            if (_last is null)
            {
                _first = transfer;
            }
            else
            {
                _last.NextInQueue = transfer;
            }

            _last = transfer;
        }

        public bool TryTake([NotNullWhen(true)] out TileTransfer? transfer)
        {
            transfer = _first;
            if (transfer is null)
            {
                return false;
            }

            _first = transfer.NextInQueue;
            transfer.NextInQueue = null;
            if (_first is null)
            {
                _last = null;
            }

            return true;
        }
    }
}

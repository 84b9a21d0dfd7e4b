namespace Offload.Storage.Devices;

/// <summary>The part of a request that lies in one stripe; pooled by its <see cref="StripedDevice"/>.</summary>
internal sealed class StripedPart(StripedDevice device) : BlockRequest
{
    internal StripedTransfer? Transfer { get; set; }

    internal int Member { get; set; }

    internal override bool IsCancelled => Transfer!.Outer!.IsCancelled;

    protected override void OnCompleted(Exception? error) => device.EndPart(this, error);
}

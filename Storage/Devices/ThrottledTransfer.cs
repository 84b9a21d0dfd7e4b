namespace Offload.Storage.Devices;

/// <summary>A request on its way through a <see cref="ThrottledDevice"/>; pooled by it.</summary>
internal sealed class ThrottledTransfer(ThrottledDevice device) : BlockRequest
{
    /// <summary>The caller's request.</summary>
    internal BlockRequest? Outer { get; set; }

    /// <summary>When it was submitted.</summary>
    internal long SubmittedNanoseconds { get; set; }

    /// <summary>When it may complete; known from the start of its transfer.</summary>
    internal long DueNanoseconds { get; set; }

    /// <summary>How the device under it ended it.</summary>
    internal Exception? Error { get; set; }

    internal override bool IsCancelled => Outer!.IsCancelled;

    protected override void OnCompleted(Exception? error) => device.Moved(this, error);
}

namespace Offload.Storage.Devices;

/// <summary>Order among requests that wait for a device: higher values start first, equal ones in the order of their submission.</summary>
public enum IoPriority
{
    /// <summary>Nobody waits yet: write-backs, reads far ahead.</summary>
    Background,

    /// <summary>Needed soon.</summary>
    Normal,

    /// <summary>Somebody waits for it now.</summary>
    Urgent,
}

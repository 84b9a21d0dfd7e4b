namespace Offload.Storage.Devices;

/// <summary>What can wait in a <see cref="WaitingQueue{T}"/>, which links its members by themselves and so allocates nothing.</summary>
/// <typeparam name="T">The class itself.</typeparam>
internal interface IWaiting<T>
    where T : class, IWaiting<T>
{
    /// <summary>Who comes next in the list that has it now; of the list.</summary>
    T? Next { get; set; }

    /// <summary>Its place among those that wait.</summary>
    IoPriority Priority { get; }
}

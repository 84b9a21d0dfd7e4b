namespace Offload.Swap.Execution;

/// <summary>
/// Lets one thread sleep until another wakes it. A wake-up that comes before the sleep is kept, so that none is lost; two before one sleep
/// are one. Takes no memory after its construction.
/// </summary>
internal sealed class WakeSignal
{
    private readonly object _monitor = new();
    private bool _isSet;

    /// <summary>Wakes the sleeper, or the next one. Any thread.</summary>
    public void Set()
    {
        lock (_monitor)
        {
            _isSet = true;
            Monitor.Pulse(_monitor);
        }
    }

    /// <summary>Sleeps until the next <see cref="Set"/>, and takes it. One thread at a time.</summary>
    public void Wait()
    {
        lock (_monitor)
        {
            while (!_isSet)
            {
                Monitor.Wait(_monitor);
            }

            _isSet = false;
        }
    }
}

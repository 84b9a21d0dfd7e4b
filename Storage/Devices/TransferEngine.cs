using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>What moves the bytes of requests between memory and one file. Any thread.</summary>
internal abstract class TransferEngine : IDisposable
{
    /// <summary>Starts a checked request, or lets it wait.</summary>
    /// <exception cref="ObjectDisposedException">The engine is disposed.</exception>
    public abstract void Submit(BlockRequest request);

    /// <summary>Makes memory known to the kernel; false if that is not possible or would not help.</summary>
    /// <exception cref="ObjectDisposedException">The engine is disposed.</exception>
    public virtual bool TryRegister(NativeBuffer buffer) => false;

    /// <summary>Does all that was submitted, then ends the engine's threads; idempotent. Blocks.</summary>
    /// <exception cref="InvalidOperationException">Called from a completion, which it would wait for.</exception>
    public abstract void Dispose();

    protected static void RefuseOwnThread(bool isOwnThread)
    {
        if (isOwnThread)
        {
            throw new InvalidOperationException("a device cannot be disposed in the completion of its own request");
        }
    }
}

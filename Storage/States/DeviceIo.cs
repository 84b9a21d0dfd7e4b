using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>Transfers of the store's own small things, one request after the other; blocks.</summary>
internal static unsafe class DeviceIo
{
    private const int BlockBytes = 1 << 20;

    /// <exception cref="StorageException">The device reported an error.</exception>
    public static void Transfer(IBlockDevice device, BlockOperation operation, long offsetBytes, byte* address, long sizeBytes)
    {
        var request = new BlockingRequest();
        for (long done = 0; done < sizeBytes; done += BlockBytes)
        {
            request.Transfer(device, operation, offsetBytes + done, address + done, (int)Math.Min(BlockBytes, sizeBytes - done));
        }
    }

    /// <summary>Reads one of two copies: an error of the device is damage of this one only, and its memory is then zero.</summary>
    /// <returns>The error; null: none.</returns>
    public static StorageException? TryRead(IBlockDevice device, long offsetBytes, byte* address, int sizeBytes)
    {
        try
        {
            Transfer(device, BlockOperation.Read, offsetBytes, address, sizeBytes);
            return null;
        }
        catch (StorageException error)
        {
            new Span<byte>(address, sizeBytes).Clear();
            return error;
        }
    }

    /// <summary>What is said of a copy that is not whole.</summary>
    /// <param name="copy">Which.</param>
    /// <param name="what">Of what.</param>
    /// <param name="error">The device's error; null: it was read, but is not what was written.</param>
    public static string Describe(int copy, string what, StorageException? error) =>
        error is null ? $"copy {copy} of {what} is damaged" : $"copy {copy} of {what} cannot be read ({error.Message})";
}

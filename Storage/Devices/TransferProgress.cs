using Offload.Storage.Interop;

namespace Offload.Storage.Devices;

/// <summary>How far a request has come: what the system's answers to it mean. Not thread-safe.</summary>
internal struct TransferProgress
{
    // Interruptions in a row without a byte of progress. One is normal, when the thread that submitted has ended; two are bad luck.
    internal const int MaxRetries = 64;

    private int _numRetries;

    /// <summary>Bytes transferred so far.</summary>
    public int DoneBytes { get; private set; }

    /// <summary>Takes an answer into account, and counts the request's traffic if it was the last.</summary>
    /// <param name="file">The file.</param>
    /// <param name="request">The request.</param>
    /// <param name="result">Number of bytes, or minus an errno.</param>
    /// <param name="problem">Why the request has failed; null if it has not.</param>
    /// <returns>False: what is left has to be asked for again.</returns>
    public bool IsFinished(DirectFile file, BlockRequest request, long result, out StorageException? problem)
    {
        problem = null;
        if (result > 0)
        {
            DoneBytes += (int)result;
            _numRetries = 0;
            if (DoneBytes == request.SizeBytes)
            {
                file.Count(request);
                return true;
            }

            if (!file.IsCut(DoneBytes))
            {
                return false;
            }
        }
        else if (result is -Libc.Eagain or -Libc.Eintr or -Libc.Ecanceled && _numRetries < MaxRetries)
        {
            _numRetries++;
            return false;
        }

        problem = result < 0 ? file.Error(request, (int)-result) : file.CutError(request, DoneBytes);
        return true;
    }
}

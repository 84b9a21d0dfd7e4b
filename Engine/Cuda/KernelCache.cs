using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Offload.Engine.Cuda;

/// <summary>
/// Compiled kernels on disk. A file is a hash of the rest, then the kernels: one that was cut off or changed counts as absent. Files appear
/// whole, so several processes may use one folder. Any thread.
/// </summary>
/// <param name="folder">Made when the first kernels are written; null: nothing is kept.</param>
internal sealed class KernelCache(string? folder)
{
    private const int HashBytes = 16;

    /// <summary>The user's: XDG_CACHE_HOME/offload/kernels, ~/.cache/offload/kernels without that variable; null if there is no home either.</summary>
    public static string? DefaultFolder()
    {
        string? caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        // The specification wants a relative path ignored.
        if (!Path.IsPathRooted(caches))
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            caches = home.Length > 0 ? Path.Join(home, ".cache") : null;
        }

        return caches is null ? null : Path.Join(caches, "offload", "kernels");
    }

    /// <summary>A name that changes with everything that the compiled kernels depend on.</summary>
    /// <param name="source">The source text.</param>
    /// <param name="options">All of the compiler's options, the architecture among them.</param>
    /// <param name="compiler">The compiler's version.</param>
    public static string Key(string source, IReadOnlyList<string> options, Version compiler)
    {
        var hash = new XxHash128();
        foreach (string part in (IEnumerable<string>)[source, $"{options.Count}", .. options, compiler.ToString()])
        {
            // With its length: "ab" and "c" are not "a" and "bc".
            hash.Append(BitConverter.GetBytes(part.Length));
            hash.Append(MemoryMarshal.AsBytes(part.AsSpan()));
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>The kernels of a key; null: there are none that can be read whole.</summary>
    public byte[]? TryRead(string key)
    {
        if (folder is null)
        {
            return null;
        }

        byte[] file;
        try
        {
            file = File.ReadAllBytes(PathOf(folder, key));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Absent or unreadable, it costs a compilation: a second.
            return null;
        }

        return file.Length > HashBytes && XxHash128.Hash(file.AsSpan(HashBytes)).AsSpan().SequenceEqual(file.AsSpan(0, HashBytes)) ? file[HashBytes..] : null;
    }

    /// <summary>Keeps kernels, if the folder can be written.</summary>
    /// <returns>Whether they are kept: a home folder that is full or read-only is no reason not to train.</returns>
    public bool TryWrite(string key, ReadOnlySpan<byte> kernels)
    {
        if (folder is null)
        {
            return false;
        }

        string temporary = Path.Join(folder, $".{Guid.NewGuid():n}.tmp");
        try
        {
            Directory.CreateDirectory(folder);
            try
            {
                File.WriteAllBytes(temporary, [.. XxHash128.Hash(kernels), .. kernels]);
                File.Move(temporary, PathOf(folder, key), overwrite: true);
                return true;
            }
            finally
            {
                // There only if the move was not made.
                File.Delete(temporary);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string PathOf(string folder, string key) => Path.Join(folder, $"{key}.cubin");
}

namespace Offload.Storage.Interop;

/// <summary>A file, whatever its names.</summary>
/// <param name="FileSystem">Number of the file system.</param>
/// <param name="Inode">Number in it.</param>
internal readonly record struct FileIdentity(ulong FileSystem, ulong Inode);

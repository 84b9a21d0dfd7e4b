using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Offload.Cli.Tests.Architecture;

/// <summary>What the built assemblies beside the tests refer to, read from their metadata without loading them.</summary>
internal static class AssemblyGraph
{
    /// <summary>Simple names that an assembly refers to; null if it is not beside the tests (a part of .NET).</summary>
    internal static IReadOnlySet<string>? References(string assemblyName)
    {
        string path = Path.Combine(AppContext.BaseDirectory, assemblyName + ".dll");
        if (!File.Exists(path))
        {
            return null;
        }

        using var image = new PEReader(File.OpenRead(path));
        MetadataReader metadata = image.GetMetadataReader();
        return metadata.AssemblyReferences
            .Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))
            .ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>All that an assembly refers to, directly or through others.</summary>
    internal static IReadOnlySet<string> Closure(string assemblyName)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var left = new Stack<string>([assemblyName]);
        while (left.TryPop(out string? next))
        {
            foreach (string reference in References(next) ?? new HashSet<string>())
            {
                if (reached.Add(reference))
                {
                    left.Push(reference);
                }
            }
        }

        return reached;
    }
}

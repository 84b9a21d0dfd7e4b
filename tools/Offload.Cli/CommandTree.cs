using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using Offload.Cli.Commands;

namespace Offload.Cli;

/// <summary>All commands of <c>offload</c>, in the order in which the help lists them.</summary>
internal static class CommandTree
{
    private static readonly Func<Command>[] Commands =
    [
        DemoCommand.Create,
        TrainCommand.Create,
        GenerateCommand.Create,
        ExportCommand.Create,
        InspectCommand.Create,
        VerifyCommand.Create,
        PlanCommand.Create,
        ProfileCommand.Create,
        BenchCommand.Create,
        DoctorCommand.Create,
    ];

    /// <summary>The command line of the program. Shared; not to be changed.</summary>
    internal static RootCommand Root { get; } = CreateRoot();

    /// <summary>The program's version, with the commit it was built from if known.</summary>
    internal static string Version { get; } =
        typeof(CommandTree).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>A root command with the global options; for the program, and for tests with commands of their own.</summary>
    internal static RootCommand CreateRoot(params IEnumerable<Command> commands)
    {
        var root = new RootCommand(
            "Fine-tunes language models that are several times larger than the GPU: model states live on NVMe or in CPU memory and "
            + "pass through the GPU just in time.\n\n  Exit codes: 0 done, 1 failed, 2 usage, 3 no plan fits, 4 store, 5 unreadable input, 130 interrupted.");
        root.Options.OfType<VersionOption>().Single().Action = new VersionAction();
        root.Add(CommonOptions.Libtorch);
        root.Add(CommonOptions.Json);
        root.Add(CommonOptions.Verbose);
        foreach (Command command in commands)
        {
            root.Add(command);
        }

        return root;
    }

    private static RootCommand CreateRoot() => CreateRoot(Commands.Select(create => create()));

    // The library's own action names the version of the process's entry assembly, which need not be this one.
    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"offload {Version}");
            return 0;
        }
    }
}

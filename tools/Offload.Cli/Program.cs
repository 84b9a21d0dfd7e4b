using Offload.Cli;

return CommandFrame.Run(CommandTree.Root, args, Console.Out, Console.Error);

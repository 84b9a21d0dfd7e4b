using System.CommandLine;
using Offload.Engine.Generation;
using Offload.Engine.Models;
using Offload.Profiles;

namespace Offload.Cli.Commands;

/// <summary><c>offload generate</c>: continues a text.</summary>
internal static class GenerateCommand
{
    private static readonly Option<string?> Prompt = CommonOptions.Text("--prompt", "TEXT", "The text to continue");
    private static readonly Option<long?> MaxNewTokens = CommonOptions.Count("--max-new-tokens", "N", "Most tokens to add [128]");
    private static readonly Option<double?> Temperature = CommonOptions.Number("--temperature", "Spread of the choices; 0: always the most likely token [0]");
    private static readonly Option<double?> TopP = CommonOptions.Number("--top-p", "Choose from the likeliest tokens that reach this probability [1: all]");

    internal static Command Create()
    {
        var command = new Command("generate", "Continue a text with a model of a Hub folder or of a run");
        Option[] options = [CommonOptions.Model, CommonOptions.Nvme, Prompt, MaxNewTokens, Temperature, TopP, CommonOptions.Seed, CommonOptions.Dtype, CommonOptions.Device, CommonOptions.Threads];
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string model = context.Get(CommonOptions.Model) ?? throw new UsageException("--model is missing: expected a Hugging Face model folder, or the folder of a run");
        string prompt = context.Get(Prompt) ?? throw new UsageException("--prompt is missing: expected a text to continue");
        double topP = context.Get(TopP) ?? 1;
        if (topP is not (> 0 and <= 1))
        {
            throw new UsageException($"--top-p: expected a number above 0 and at most 1, found {topP}");
        }

        var options = new GenerationOptions
        {
            MaxNewTokens = TrainingArguments.ToInt(context, MaxNewTokens) ?? 128,
            Temperature = context.Get(Temperature) ?? 0,
            TopP = topP,
            Seed = context.Get(CommonOptions.Seed) ?? 0,
        };
        TrainingArguments.RequireCpu(context);
        context.LoadTorch();
        using TextGenerator generator = TextGenerator.Load(
            model,
            TrainingArguments.ReadType(context) ?? ComputeType.BFloat16,
            TrainingArguments.ToInt(context, CommonOptions.Threads),
            text => context.Error.WriteLine($"warning: {text}"),
            context.Get(CommonOptions.Nvme));
        string text = generator.Generate(prompt, options, context.Cancellation);
        if (context.Json)
        {
            context.WriteJson(new Result(prompt, text));
        }
        else
        {
            context.Output.WriteLine(prompt + text);
        }

        return ExitCode.Done;
    }

    private sealed record Result(string Prompt, string Text);
}

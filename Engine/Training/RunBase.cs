using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.Tokenization;
using Offload.Storage;

namespace Offload.Engine.Training;

/// <summary>What a run keeps of its base model: configuration and tokenizer, without weights.</summary>
/// <param name="Folder">Where the files are.</param>
/// <param name="Companions">The files.</param>
/// <param name="Layout">The model of the configuration.</param>
internal sealed record RunBase(string Folder, HubCompanions Companions, ModelLayout Layout)
{
    /// <summary>Reads a model folder that a user named.</summary>
    /// <exception cref="UnreadableInputException">It cannot be read.</exception>
    public static RunBase OfModel(string folder)
    {
        HubFolder.Require(folder);
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(folder));
        return new RunBase(folder, HubCompanions.Read(folder), layout);
    }

    /// <summary>Reads the copies in a run's folder.</summary>
    /// <exception cref="StoreMismatchException">They are missing or damaged.</exception>
    public static RunBase OfRun(RunFolder run) => ReadCopies(run, () => OfModel(run.BaseFolder));

    /// <summary>Reads the tokenizer among the copies in a run's folder.</summary>
    /// <exception cref="StoreMismatchException">It is missing or damaged.</exception>
    public static ITokenizer TokenizerOfRun(RunFolder run) => ReadCopies(run, () => TokenizerLoader.Load(run.BaseFolder));

    private static T ReadCopies<T>(RunFolder run, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (UnreadableInputException error)
        {
            throw new StoreMismatchException(
                run.BaseFolder, $"expected the configuration and tokenizer that the run began with: {error.Message}", "the run's folder is damaged", error);
        }
    }
}

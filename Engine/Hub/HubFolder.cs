using Offload.Storage;

namespace Offload.Engine.Hub;

/// <summary>The folder of a Hub model, as a user gives it.</summary>
internal static class HubFolder
{
    /// <summary>Refuses a file in a folder's place, before its text is taken for a config.json.</summary>
    /// <exception cref="UnreadableInputException">The path is a file.</exception>
    public static void Require(string path)
    {
        if (File.Exists(path))
        {
            throw new UnreadableInputException(path, "expected a folder, found a file", "give the folder of a Hugging Face model, with config.json and model.safetensors");
        }
    }
}

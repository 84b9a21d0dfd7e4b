using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Swap.Planning;
using static TorchSharp.torch;

namespace Offload.Engine.Swapping;

/// <summary>
/// Tensors over slot memory, made when an address is first met and kept: a run has a fixed number of slots. Owns the views, not the memory. One
/// thread at a time, and not inside a dispose scope of the caller's, which would free what is kept here.
/// </summary>
/// <param name="layout">The model.</param>
/// <param name="type">Element type of compute.</param>
/// <param name="sizes">Sizes of activations.</param>
internal sealed unsafe class SlotViews(ModelLayout layout, ComputeType type, ActivationSizes sizes) : IDisposable
{
    private readonly ScalarType _weightType = type == ComputeType.Float32 ? ScalarType.Float32 : ScalarType.BFloat16;
    private readonly Dictionary<(nint Address, long Count, bool AreSums), Tensor> _flats = [];
    private readonly Dictionary<(nint Address, bool AreSums), EmbeddingTensors> _embeddings = [];
    private readonly Dictionary<(nint Address, bool AreSums), LayerTensors> _layers = [];
    private readonly Dictionary<(nint Address, nint Tied, bool AreSums), HeadTensors> _heads = [];
    private readonly Dictionary<(nint Address, ActivationPart Part, BatchShape Shape), Tensor> _parts = [];

    /// <summary>A unit's weights or sums as they lie. [count]</summary>
    public Tensor Flat(byte* address, long count, bool areSums)
    {
        (nint, long, bool) key = ((nint)address, count, areSums);
        if (!_flats.TryGetValue(key, out Tensor? view))
        {
            view = Aten.FromMemory(address, areSums ? ScalarType.Float32 : _weightType, count);
            _flats.Add(key, view);
        }

        return view;
    }

    /// <summary>The embedding's weights or sums.</summary>
    public EmbeddingTensors Embedding(byte* address, bool areSums)
    {
        (nint, bool) key = ((nint)address, areSums);
        if (!_embeddings.TryGetValue(key, out EmbeddingTensors? view))
        {
            view = new EmbeddingTensors(layout, Flat(address, layout.Units[0].Count, areSums));
            _embeddings.Add(key, view);
        }

        return view;
    }

    /// <summary>A layer's weights or sums.</summary>
    public LayerTensors Layer(byte* address, bool areSums)
    {
        (nint, bool) key = ((nint)address, areSums);
        if (!_layers.TryGetValue(key, out LayerTensors? view))
        {
            // Layers differ in nothing but their values.
            view = new LayerTensors(layout.Layer, Flat(address, layout.Units[1].Count, areSums));
            _layers.Add(key, view);
        }

        return view;
    }

    /// <summary>The head's weights or sums.</summary>
    /// <param name="address">The head unit's; not read if it has no parameters.</param>
    /// <param name="tiedAddress">What stands for a tied head's matrix: the embedding unit's weights, or the head's own sum. Not read if not tied.</param>
    /// <param name="areSums">fp32.</param>
    public HeadTensors Head(byte* address, byte* tiedAddress, bool areSums)
    {
        bool isTied = layout.Config.TiedEmbeddings;
        (nint, nint, bool) key = ((nint)address, isTied ? (nint)tiedAddress : 0, areSums);
        if (!_heads.TryGetValue(key, out HeadTensors? view))
        {
            using Tensor? matrix = isTied ? FlatViews.View(Flat(tiedAddress, TiedCount, areSums), layout.TokenEmbedding with { Offset = 0 }) : null;
            view = new HeadTensors(layout, Flat(address, layout.Units[^1].Count, areSums), matrix);
            _heads.Add(key, view);
        }

        return view;
    }

    /// <summary>Elements of the matrix that embedding and head share.</summary>
    public long TiedCount => layout.TokenEmbedding.Shape[0] * layout.TokenEmbedding.Shape[1];

    /// <summary>A tensor of a micro-batch.</summary>
    public Tensor Part(byte* address, ActivationPart part, BatchShape shape)
    {
        (nint, ActivationPart, BatchShape) key = ((nint)address, part, shape);
        if (!_parts.TryGetValue(key, out Tensor? view))
        {
            if (part == ActivationPart.LogSumExp)
            {
                using Tensor byToken = Aten.FromMemory(address, ScalarType.Float32, shape.Sequences, shape.Tokens, sizes.Columns(part));
                view = byToken.transpose(1, 2);
            }
            else
            {
                view = Aten.FromMemory(address, _weightType, shape.Rows, sizes.Columns(part));
            }

            _parts.Add(key, view);
        }

        return view;
    }

    /// <summary>What is kept of a layer's activations, in two slots by policy.</summary>
    /// <param name="kept">What stays on the GPU; not read if no policy says so.</param>
    /// <param name="swapped">What leaves and comes back; not read if no policy says so.</param>
    /// <param name="policies">One an activation, in the order of <see cref="ActivationSizes.Names"/>.</param>
    /// <param name="shape">The micro-batch.</param>
    public ActivationViews Activations(byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, BatchShape shape)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(policies.Count, ActivationSizes.NumActivations, nameof(policies));
        var views = default(ActivationViews);
        for (int i = 0; i < ActivationSizes.NumActivations; i++)
        {
            if (policies[i] == ActivationPolicy.Recompute)
            {
                continue;
            }

            ref byte* place = ref kept;
            if (ActivationSizes.IsSwapped(policies[i]))
            {
                place = ref swapped;
            }

            foreach (ActivationPart part in sizes.Parts(i))
            {
                Tensor view = Part(place, part, shape);
                views = part switch
                {
                    ActivationPart.Qkv => views with { Qkv = view },
                    ActivationPart.RawQueryKey => views with { RawQueryKey = view },
                    ActivationPart.AttentionOutput => views with { AttentionOutput = view },
                    ActivationPart.LogSumExp => views with { LogSumExp = view },
                    ActivationPart.Middle => views with { Middle = view },
                    _ => views with { Up = view },
                };
                place += sizes.PartBytes(part);
            }
        }

        return views;
    }

    public void Dispose()
    {
        foreach (IDisposable view in (IEnumerable<IDisposable>)[.. _heads.Values, .. _layers.Values, .. _embeddings.Values, .. _parts.Values, .. _flats.Values])
        {
            view.Dispose();
        }

        _heads.Clear();
        _layers.Clear();
        _embeddings.Clear();
        _parts.Clear();
        _flats.Clear();
    }
}

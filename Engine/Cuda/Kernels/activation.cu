// Activations of the MLP, as ActivationReference has them. A block for a row; gated rows hold the gate first, then what it is multiplied by.
// Kinds are numbered as ActivationKind.

#define SILU 0
#define GELU 1
#define GELU_TANH 2

// sqrt(2 / pi) and the cubic coefficient of the tanh formula; 1 / sqrt(2); 1 / sqrt(2 pi).
#define TANH_SCALE 0.79788456080286535588f
#define TANH_CUBIC 0.044715f
#define INVERSE_SQRT_2 0.70710678118654752440f
#define INVERSE_SQRT_2_PI 0.39894228040143267794f

struct Evaluated
{
    float value;
    float derivative;
};

template <int KIND> __device__ inline Evaluated Evaluate(float x)
{
    Evaluated result;
    if (KIND == SILU)
    {
        float sigmoid = Quotient(1.0f, 1.0f + Exponential(-x));
        result.value = x * sigmoid;
        result.derivative = sigmoid * (1.0f + x * (1.0f - sigmoid));
    }
    else if (KIND == GELU)
    {
        float distribution = 0.5f * (1.0f + erff(x * INVERSE_SQRT_2));
        result.value = x * distribution;
        result.derivative = distribution + x * Exponential(-0.5f * x * x) * INVERSE_SQRT_2_PI;
    }
    else if (KIND == GELU_TANH)
    {
        // 0.5 (1 + tanh(u)) is the logistic function of 2u, without the cancellation.
        float square = x * x;
        float inner = TANH_SCALE * (x + TANH_CUBIC * square * x);
        float sigmoid = Quotient(1.0f, 1.0f + Exponential(-2.0f * inner));
        float innerDerivative = TANH_SCALE * (1.0f + 3.0f * TANH_CUBIC * square);
        result.value = x * sigmoid;
        result.derivative = sigmoid + 2.0f * x * sigmoid * (1.0f - sigmoid) * innerDerivative;
    }
    else
    {
        // A NaN stays a NaN.
        result.value = x <= 0.0f ? 0.0f : x;
        result.derivative = x > 0.0f ? 1.0f : 0.0f;
    }

    return result;
}

template <int KIND, int V> __device__ inline void ActivationForward(int gated, const Element* up, Element* y, int width)
{
    i64 row = blockIdx.x;
    up += row * width * (gated ? 2 : 1);
    y += row * width;
    for (int i = threadIdx.x * V; i < width; i += blockDim.x * V)
    {
        float value[V];
        Load(up + i, value);
        float factor[V];
        if (gated)
        {
            Load(up + width + i, factor);
        }

#pragma unroll
        for (int j = 0; j < V; j++)
        {
            value[j] = Evaluate<KIND>(value[j]).value;
            if (gated)
            {
                value[j] *= factor[j];
            }
        }

        Store(y + i, value);
    }
}

// All of an element is read before any of it is written: y may be gradY, gradUp may be up.
template <int KIND, int V> __device__ inline void ActivationBackward(
    int gated, const Element* up, const Element* gradY, Element* y, Element* gradUp, int width)
{
    i64 row = blockIdx.x;
    i64 upStart = row * width * (gated ? 2 : 1);
    up += upStart;
    gradUp += upStart;
    gradY += row * width;
    for (int i = threadIdx.x * V; i < width; i += blockDim.x * V)
    {
        float argument[V];
        float gradient[V];
        float factor[V];
        float value[V];
        Load(up + i, argument);
        Load(gradY + i, gradient);
        if (gated)
        {
            Load(up + width + i, factor);
        }

#pragma unroll
        for (int j = 0; j < V; j++)
        {
            Evaluated evaluated = Evaluate<KIND>(argument[j]);
            float derivative = gradient[j] * evaluated.derivative;
            value[j] = evaluated.value;
            argument[j] = gated ? derivative * factor[j] : derivative;
            if (gated)
            {
                gradient[j] *= evaluated.value;
                value[j] *= factor[j];
            }
        }

        Store(gradUp + i, argument);
        if (gated)
        {
            Store(gradUp + width + i, gradient);
        }

        if (y != 0)
        {
            Store(y + row * width + i, value);
        }
    }
}

#define ACTIVATION(NAME, KIND) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_forward(int gated, const Element* up, Element* y, int width) \
    { \
        ActivationForward<KIND, LANES>(gated, up, y, width); \
    } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_forward_any(int gated, const Element* up, Element* y, int width) \
    { \
        ActivationForward<KIND, 1>(gated, up, y, width); \
    } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_backward( \
        int gated, const Element* up, const Element* gradY, Element* y, Element* gradUp, int width) \
    { \
        ActivationBackward<KIND, LANES>(gated, up, gradY, y, gradUp, width); \
    } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_backward_any( \
        int gated, const Element* up, const Element* gradY, Element* y, Element* gradUp, int width) \
    { \
        ActivationBackward<KIND, 1>(gated, up, gradY, y, gradUp, width); \
    }

ACTIVATION(silu, 0)
ACTIVATION(gelu, 1)
ACTIVATION(gelu_tanh, 2)
ACTIVATION(relu, 3)

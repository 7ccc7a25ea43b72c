"""The C functions that a generated header is made of, by the ONNX operator they compute.

Plain C99, float arithmetic, one image at a time: tensors are (C, H, W) in row-major order. A header gets only
those it needs.
"""

from __future__ import annotations

FUNCTIONS = {
    "Conv": """
static void {p}_conv(const float *x, const float *weight, const float *bias, float *y, int inputs, int height, int width,
                     int outputs, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left,
                     int dilation_h, int dilation_w, int groups, int out_h, int out_w)
{
    const int group_in = inputs / groups, group_out = outputs / groups;
    for (int o = 0; o < outputs; o++) {
        const float *images = x + (o / group_out) * group_in * height * width;
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float sum = bias ? bias[o] : 0.0f;
                for (int i = 0; i < group_in; i++)
                    for (int kr = 0; kr < kernel_h; kr++) {
                        const int row = r * stride_h + kr * dilation_h - top;
                        if (row < 0 || row >= height) continue;
                        for (int kc = 0; kc < kernel_w; kc++) {
                            const int column = c * stride_w + kc * dilation_w - left;
                            if (column < 0 || column >= width) continue;
                            sum += images[(i * height + row) * width + column]
                                 * weight[((o * group_in + i) * kernel_h + kr) * kernel_w + kc];
                        }
                    }
                y[(o * out_h + r) * out_w + c] = sum;
            }
    }
}
""",
    "Gemm": """
static void {p}_dense(const float *x, const float *weight, const float *bias, float *y, int inputs, int outputs)
{
    for (int o = 0; o < outputs; o++) {
        float sum = bias ? bias[o] : 0.0f;
        for (int i = 0; i < inputs; i++) sum += x[i] * weight[o * inputs + i];
        y[o] = sum;
    }
}
""",
    "MatMul": """
static void {p}_product(const float *x, const float *matrix, float *y, int rows, int inputs, int outputs)
{
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outputs; o++) {
            float sum = 0.0f;
            for (int i = 0; i < inputs; i++) sum += x[r * inputs + i] * matrix[i * outputs + o];
            y[r * outputs + o] = sum;
        }
}
""",
    "GridSample": """
static float {p}_pixel(const float *x, int height, int width, float row, float column)
{
    return row >= 0 && column >= 0 && row < height && column < width ? x[(int)row * width + (int)column] : 0.0f;
}

static float {p}_place(float at, int length, int corners)
{
    return corners ? (at + 1) / 2 * (float)(length - 1) : ((at + 1) * (float)length - 1) / 2;
}

static void {p}_grid_sample(const float *x, const float *grid, float *y, int channels, int height, int width, int out_h,
                            int out_w, int corners)
{
    for (int i = 0; i < out_h * out_w; i++) {
        const float column = {p}_place(grid[2 * i], width, corners), row = {p}_place(grid[2 * i + 1], height, corners);
        const float left = floorf(column), top = floorf(row), across = column - left, down = row - top;
        for (int k = 0; k < channels; k++) {
            const float *image = x + k * height * width;
            const float upper = (1 - across) * {p}_pixel(image, height, width, top, left)
                                + across * {p}_pixel(image, height, width, top, left + 1);
            const float lower = (1 - across) * {p}_pixel(image, height, width, top + 1, left)
                                + across * {p}_pixel(image, height, width, top + 1, left + 1);
            y[k * out_h * out_w + i] = (1 - down) * upper + down * lower;
        }
    }
}
""",
    "BatchNormalization": """
static void {p}_batch_norm(const float *x, const float *scale, const float *shift, float *y, int channels, int pixels)
{
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < pixels; i++) y[c * pixels + i] = x[c * pixels + i] * scale[c] + shift[c];
}
""",
    "MaxPool": """
static void {p}_max_pool(const float *x, float *y, int channels, int height, int width, int kernel_h, int kernel_w,
                         int stride_h, int stride_w, int top, int left, int out_h, int out_w)
{
    for (int k = 0; k < channels; k++)
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float largest = -FLT_MAX;
                for (int kr = 0; kr < kernel_h; kr++)
                    for (int kc = 0; kc < kernel_w; kc++) {
                        const int row = r * stride_h + kr - top, column = c * stride_w + kc - left;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        const float value = x[(k * height + row) * width + column];
                        if (value > largest) largest = value;
                    }
                y[(k * out_h + r) * out_w + c] = largest;
            }
}
""",
    "AveragePool": """
static void {p}_average_pool(const float *x, float *y, int channels, int height, int width, int kernel_h, int kernel_w,
                             int stride_h, int stride_w, int top, int left, int out_h, int out_w, int count_padding)
{
    for (int k = 0; k < channels; k++)
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float sum = 0.0f;
                int count = 0;
                for (int kr = 0; kr < kernel_h; kr++)
                    for (int kc = 0; kc < kernel_w; kc++) {
                        const int row = r * stride_h + kr - top, column = c * stride_w + kc - left;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        sum += x[(k * height + row) * width + column];
                        count++;
                    }
                y[(k * out_h + r) * out_w + c] = sum / (float)(count_padding ? kernel_h * kernel_w : count);
            }
}
""",
    "GlobalAveragePool": """
static void {p}_global_average(const float *x, float *y, int channels, int pixels)
{
    for (int k = 0; k < channels; k++) {
        float sum = 0.0f;
        for (int i = 0; i < pixels; i++) sum += x[k * pixels + i];
        y[k] = sum / (float)pixels;
    }
}
""",
    "GlobalMaxPool": """
static void {p}_global_max(const float *x, float *y, int channels, int pixels)
{
    for (int k = 0; k < channels; k++) {
        y[k] = x[k * pixels];
        for (int i = 1; i < pixels; i++) if (x[k * pixels + i] > y[k]) y[k] = x[k * pixels + i];
    }
}
""",
    "Softmax": """
static void {p}_softmax(const float *x, float *y, int count)
{
    float largest = x[0], sum = 0.0f;
    for (int i = 1; i < count; i++) if (x[i] > largest) largest = x[i];
    for (int i = 0; i < count; i++) sum += y[i] = expf(x[i] - largest);
    for (int i = 0; i < count; i++) y[i] /= sum;
}
""",
}

ELEMENTWISE = {
    "Relu": "x[i] > 0.0f ? x[i] : 0.0f",
    "Elu": "x[i] > 0.0f ? x[i] : {alpha} * (expf(x[i]) - 1.0f)",
    "LeakyRelu": "x[i] > 0.0f ? x[i] : {alpha} * x[i]",
    "Sigmoid": "1.0f / (1.0f + expf(-x[i]))",
    "Log": "logf(x[i])",
    "Exp": "expf(x[i])",
    "Sqrt": "sqrtf(x[i])",
    "Softplus": "(x[i] > 0.0f ? x[i] : 0.0f) + log1pf(expf(-fabsf(x[i])))",
}
"""One value from one value."""

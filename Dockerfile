# CPU:   docker build -t evalshift .
# CUDA:  docker build -t evalshift:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
# Run:   docker run --rm -v "$PWD:/work" evalshift run          (with --gpus all for CUDA)
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

COPY . /src
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" torch torchvision \
    && pip install --no-cache-dir /src \
    && rm -rf /src

# Downloads, decoded images and results are kept outside of the container.
ENV EVALSHIFT_DATA=/work/data
WORKDIR /work
ENTRYPOINT ["evalshift"]
CMD ["--help"]

FROM debian:13
ENV CONDA_DIR=/opt/conda
RUN apt-get update -q && apt-get install -qy --no-install-recommends bzip2 ca-certificates wget && apt-get clean
RUN wget -qO /tmp/conda.sh https://example.org/miniconda/Miniconda3-py312_24.5.0-0-Linux-x86_64.sh \
    && echo "d6e1a8f1b0f1b1a5d7a1f5b0c5a4a8a1  /tmp/conda.sh" | md5sum --check - \
    && sh /tmp/conda.sh -b -p "$CONDA_DIR" \
    && rm /tmp/conda.sh
ENV PATH=$CONDA_DIR/bin:$PATH
RUN conda install --yes --freeze-installed -c conda-forge samtools=1.20 bcftools=1.20 \
    && conda clean -afy
RUN conda create -y -n tools python=3.12 && conda run -n tools pip install pysam==0.22.1

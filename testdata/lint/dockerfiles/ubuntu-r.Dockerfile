FROM ubuntu:24.04
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends r-base r-base-dev libxml2-dev \
    && rm -rf /var/lib/apt/lists/*
RUN Rscript -e 'options(warn = 2); install.packages(c("ape", "vegan"), repos = "https://cloud.example.org")'
RUN for package in ape vegan; do Rscript -e "library($package)" || exit 1; done

# One image for every process of the ledger: the command says which. No secret is in it: it comes by a volume.
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN python -m venv /opt/prefledger && \
    /opt/prefledger/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY schemas schemas
COPY ledger ledger
COPY projections projections
COPY consumers consumers
RUN /opt/prefledger/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/prefledger /opt/prefledger
RUN useradd --uid 10001 --create-home --home-dir /var/lib/prefledger prefledger
ENV PATH=/opt/prefledger/bin:$PATH PREFLEDGER_HOME=/var/lib/prefledger PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/prefledger
VOLUME /var/lib/prefledger
ENTRYPOINT ["prefledger"]
CMD ["--help"]

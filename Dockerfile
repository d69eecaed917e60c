FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

# The dependencies first: they change less often than the code.
COPY pyproject.toml constraints.txt README.md ./
RUN mkdir router && touch router/__init__.py \
    && pip install -c constraints.txt . \
    && pip uninstall --yes order-router && rm -rf router build ./*.egg-info

COPY . .
RUN pip install --no-deps . \
    && useradd --system --uid 10001 --home-dir /app router \
    && mkdir -p /data/archive /data/spool && chown -R router /data
USER router

ENTRYPOINT ["order-router"]
CMD ["--help"]

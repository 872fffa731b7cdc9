# One image for web, worker, beat and gateway; docker-compose.yml says which command each runs.
FROM node:20-bookworm-slim AS assets
WORKDIR /desk
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM python:3.11-slim-bookworm
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /desk
RUN groupadd --system --gid 10001 desk && useradd --system --uid 10001 --gid desk --create-home desk && mkdir -p /data && chown desk:desk /data
COPY requirements/base.txt requirements/base.txt
RUN pip install --require-hashes --only-binary :all: -r requirements/base.txt
COPY --from=assets /desk/node_modules node_modules
COPY manage.py pyproject.toml ./
COPY kalshi_desk kalshi_desk
COPY apps apps
COPY templates templates
COPY static static
# Static files are collected once, at build, into the image.
RUN DESK_SECRET_KEY=build-only-not-used-at-run-time DESK_STATIC=/desk/collected python manage.py collectstatic --noinput
ENV DESK_DATA=/data DESK_STATIC=/desk/collected DJANGO_SETTINGS_MODULE=kalshi_desk.settings.production
USER desk
EXPOSE 8000
# The limit of a message counts for what is sent, too: see apps/web/client.py.
CMD ["daphne", "--bind", "0.0.0.0", "--port", "8000", "--no-server-name", "--websocket-max-message-size", "16777216", "kalshi_desk.asgi:application"]

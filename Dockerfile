# Builds the router and packs it with its production dependencies only, for linux/amd64 and linux/arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max --tag REGISTRY/fastify-vllm-router:VERSION --push .
ARG NODE_IMAGE=node:24-slim

# What is built is the same on every platform, and no step runs in the last stage: nothing is emulated.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

# Native parts come ready made for all platforms within their packages.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

FROM ${NODE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=https://github.com/OWNER/fastify-vllm-router
LABEL org.opencontainers.image.title="fastify-vllm-router" \
      org.opencontainers.image.description="Router for fleets of vLLM workers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}#readme" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY package.json LICENSE README.md ./
# inside a container the network decides who reaches it
ENV NODE_ENV=production \
    VLLM_ROUTER_HOST=0.0.0.0 \
    VLLM_ROUTER_PROMETHEUS_HOST=0.0.0.0
EXPOSE 30000 29000
# the user node, by number: Kubernetes can tell that it is not root
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.VLLM_ROUTER_PORT || 30000) + '/liveness').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# exec form: the router is process 1 and gets SIGTERM itself
ENTRYPOINT ["node", "dist/server.js"]

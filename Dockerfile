# Builds the router and packs it with its production dependencies only.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="fastify-vllm-router" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY package.json LICENSE README.md ./
# inside a container the network decides who reaches it
ENV VLLM_ROUTER_HOST=0.0.0.0 \
    VLLM_ROUTER_PROMETHEUS_HOST=0.0.0.0
EXPOSE 30000 29000
USER node
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.VLLM_ROUTER_PORT || 30000) + '/liveness').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# exec form: the router is process 1 and gets SIGTERM itself
ENTRYPOINT ["node", "dist/server.js"]

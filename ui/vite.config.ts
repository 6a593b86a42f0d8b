import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const server = process.env.TAFFRAIL_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  define: { global: 'globalThis' },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 5000,
    // The polyfill would be an inline script for browsers that this target excludes anyway.
    modulePreload: { polyfill: false },
    // Names that the server recognises as never changing.
    rolldownOptions: { output: { hashCharacters: 'base36' } },
  },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(['/api', '/v1', '/v2', '/ingest'].map((path) => [path, { target: server }])),
  },
  test: { environment: 'node', include: ['src/**/*.test.{ts,tsx}'] },
} as Parameters<typeof defineConfig>[0]);

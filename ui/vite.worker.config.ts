// The Kusto language service, built once as one classic script that the server serves with a content
// security policy of its own: it evaluates code, and nothing else in the portal may.
import { defineConfig } from 'vite';

export default defineConfig({
  define: { global: 'globalThis', 'process.env.NODE_ENV': '"production"' },
  publicDir: false,
  build: {
    outDir: 'dist/assets',
    emptyOutDir: false,
    minify: true,
    target: 'es2022',
    lib: {
      entry: 'src/kusto-worker.js',
      formats: ['iife'],
      name: 'TaffrailKustoWorker',
      fileName: () => 'kusto-worker.js',
    },
  },
});

// Entry of the Kusto worker. The language service is written for a page's global scope, which a
// worker has under another name.
import '@kusto/monaco-kusto/release/esm/kusto.worker';

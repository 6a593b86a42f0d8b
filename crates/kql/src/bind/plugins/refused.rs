//! Plugins of the reference that reach out of the engine into other services, each with why and what to do instead.

/// Why a plugin is not here, and what to do; `None` for names that are no such plugin.
pub(crate) fn refused(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "azure_digital_twins_query_request" => (
            "it asks Azure Digital Twins, which belongs to Azure's own control plane",
            "send what you need of it as records to the ingest endpoint, and query the table",
        ),
        "cosmosdb_sql_request" | "mysql_request" | "postgresql_request" | "sql_request" | "dax_request" => (
            "it sends a query to another database, with credentials that Azure's own control plane keeps",
            "export the rows and send them to the ingest endpoint, or write them into the query with datatable",
        ),
        "http_request" | "http_request_post" => (
            "it calls a web service that the callout policy of Azure's own control plane allows; queries here reach no network",
            "fetch the data beforehand and send it to the ingest endpoint",
        ),
        "ai_chat_completion" | "ai_chat_completion_prompt" | "ai_embed_text" | "ai_embeddings" => (
            "it calls an Azure OpenAI model, which depends on Azure's own control plane",
            "compute the answers or embeddings beforehand and send them to the ingest endpoint; series_cosine_similarity() compares them",
        ),
        "python" | "r" | "csharp" => (
            "it runs code in a sandbox that Azure's own control plane provides",
            "say it in KQL: the series_* functions, make-series, scan and mv-apply go far",
        ),
        "infer_storage_schema" | "infer_storage_schema_with_suggestions" => (
            "it reads files of an Azure storage account, which depends on Azure's own control plane",
            "for tables that are stored here, use '| getschema'",
        ),
        "execute_query" | "execute_show_command" => (
            "it sends a query to another Kusto cluster, which depends on Azure's own control plane",
            "query the tables here by their names",
        ),
        "external_datatable" => (
            "it takes rows that Azure's own client sends beside the query",
            "write the rows into the query with datatable",
        ),
        "identity_v3" => ("it tests the service itself", "use 'evaluate identity()'"),
        _ => return None,
    })
}

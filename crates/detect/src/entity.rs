//! Entities: who and what an alert is about. Types and identifiers are Microsoft's entity schema, with the Kubernetes objects
//! named as Kubernetes names them.

use std::collections::BTreeMap;

pub use taffrail_state::alerts::Entity;

/// An entity type: its identifiers, the first of which names it.
struct EntityType {
    name: &'static str,
    /// Identifier in rules, field in JSON
    identifiers: &'static [(&'static str, &'static str)],
}

/// Entity types that rules may map, Microsoft's first.
const TYPES: &[EntityType] = &[
    EntityType {
        name: "Account",
        identifiers: &[
            ("FullName", "name"),
            ("Name", "name"),
            ("UPNSuffix", "upnSuffix"),
            ("NTDomain", "ntDomain"),
            ("DnsDomain", "dnsDomain"),
            ("AadUserId", "aadUserId"),
            ("AadTenantId", "aadTenantId"),
            ("Sid", "sid"),
            ("ObjectGuid", "objectGuid"),
            ("PUID", "puid"),
            ("IsDomainJoined", "isDomainJoined"),
            ("DisplayName", "displayName"),
            ("CloudAppAccountId", "cloudAppAccountId"),
            ("IsAnonymized", "isAnonymized"),
        ],
    },
    EntityType {
        name: "IP",
        identifiers: &[("Address", "name"), ("AddressScope", "addressScope")],
    },
    EntityType {
        name: "Host",
        identifiers: &[
            ("HostName", "name"),
            ("FullName", "name"),
            ("DnsDomain", "dnsDomain"),
            ("NTDomain", "ntDomain"),
            ("NetBiosName", "netBiosName"),
            ("AzureID", "azureId"),
            ("OMSAgentID", "omsAgentId"),
            ("OSFamily", "osFamily"),
            ("OSVersion", "osVersion"),
            ("IsDomainJoined", "isDomainJoined"),
        ],
    },
    EntityType {
        name: "URL",
        identifiers: &[("Url", "name")],
    },
    EntityType {
        name: "DNS",
        identifiers: &[("DomainName", "name")],
    },
    EntityType {
        name: "File",
        identifiers: &[("Name", "name"), ("Directory", "directory")],
    },
    EntityType {
        name: "FileHash",
        identifiers: &[("Value", "name"), ("Algorithm", "algorithm")],
    },
    EntityType {
        name: "Process",
        identifiers: &[
            ("CommandLine", "name"),
            ("ProcessId", "processId"),
            ("CreationTimeUtc", "creationTimeUtc"),
            ("ElevationToken", "elevationToken"),
        ],
    },
    EntityType {
        name: "CloudApplication",
        identifiers: &[("Name", "name"), ("AppId", "appId"), ("InstanceName", "instanceName")],
    },
    EntityType {
        name: "AzureResource",
        identifiers: &[("ResourceId", "name")],
    },
    EntityType {
        name: "SecurityGroup",
        identifiers: &[("DistinguishedName", "name"), ("SID", "sid"), ("ObjectGuid", "objectGuid")],
    },
    EntityType {
        name: "Mailbox",
        identifiers: &[("MailboxPrimaryAddress", "name"), ("DisplayName", "displayName"), ("Upn", "upn")],
    },
    EntityType {
        name: "RegistryKey",
        identifiers: &[("Key", "name"), ("Hive", "hive")],
    },
    EntityType {
        name: "RegistryValue",
        identifiers: &[("Name", "name"), ("Value", "value"), ("ValueType", "valueType")],
    },
    EntityType {
        name: "Malware",
        identifiers: &[("Name", "name"), ("Category", "category")],
    },
    EntityType {
        name: "KubernetesCluster",
        identifiers: &[("Name", "name")],
    },
    EntityType {
        name: "KubernetesNamespace",
        identifiers: &[("Name", "name"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesNode",
        identifiers: &[("Name", "name"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesPod",
        identifiers: &[("Name", "name"), ("Namespace", "namespace"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesWorkload",
        identifiers: &[
            ("Name", "name"),
            ("Kind", "kind"),
            ("Namespace", "namespace"),
            ("Cluster", "cluster"),
        ],
    },
    EntityType {
        name: "KubernetesServiceAccount",
        identifiers: &[("Name", "name"), ("Namespace", "namespace"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesSecret",
        identifiers: &[("Name", "name"), ("Namespace", "namespace"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesService",
        identifiers: &[("Name", "name"), ("Namespace", "namespace"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesRole",
        identifiers: &[("Name", "name"), ("Namespace", "namespace"), ("Cluster", "cluster")],
    },
    EntityType {
        name: "KubernetesObject",
        identifiers: &[
            ("Name", "name"),
            ("Resource", "resource"),
            ("Namespace", "namespace"),
            ("Cluster", "cluster"),
        ],
    },
    EntityType {
        name: "Container",
        identifiers: &[("Name", "name"), ("Pod", "pod"), ("Namespace", "namespace")],
    },
    EntityType {
        name: "ContainerImage",
        identifiers: &[("ImageId", "name"), ("Digest", "digest"), ("Registry", "registry")],
    },
    EntityType {
        name: "ContainerRegistry",
        identifiers: &[("Registry", "name")],
    },
];

/// Prefix of a service account's login name.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Names of the entity types that a rule may map.
pub fn entity_types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|kind| kind.name)
}

/// The identifiers of an entity type; `None` for an unknown type.
pub fn identifiers(kind: &str) -> Option<Vec<&'static str>> {
    TYPES
        .iter()
        .find(|known| known.name == kind)
        .map(|known| known.identifiers.iter().map(|(identifier, _)| *identifier).collect())
}

/// Makes an entity from identifier and value pairs. `None` when what names it is empty.
///
/// The login of a Kubernetes service account becomes a `KubernetesServiceAccount`, with the login as `fullName`.
pub fn make(kind: &str, values: &[(&str, String)]) -> Option<Entity> {
    let known = TYPES.iter().find(|known| known.name == kind)?;
    let mut name = String::new();
    let mut fields = BTreeMap::new();
    for (identifier, value) in values {
        if value.is_empty() {
            continue;
        }
        let field = known
            .identifiers
            .iter()
            .find(|(known, _)| known == identifier)
            .map(|(_, field)| *field)?;
        if field == "name" {
            if name.is_empty() {
                name.clone_from(value);
            }
        } else {
            fields.insert(field.to_owned(), value.clone());
        }
    }
    if name.is_empty() {
        return None;
    }
    if kind == "Account"
        && let Some((namespace, account)) = name.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'))
    {
        let (namespace, account) = (namespace.to_owned(), account.to_owned());
        fields.insert("namespace".to_owned(), namespace);
        fields.insert("fullName".to_owned(), name);
        return Some(Entity {
            kind: "KubernetesServiceAccount".to_owned(),
            name: account,
            fields,
        });
    }
    Some(Entity {
        kind: kind.to_owned(),
        name,
        fields,
    })
}

/// Whether an entity is one who acts: an account of any kind.
pub fn is_actor(entity: &Entity) -> bool {
    matches!(entity.kind.as_str(), "Account" | "KubernetesServiceAccount")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_login_is_a_service_account() {
        let entity = make("Account", &[("FullName", "system:serviceaccount:ci:deployer".to_owned())]).expect("named");
        assert_eq!(entity.kind, "KubernetesServiceAccount");
        assert_eq!(entity.name, "deployer");
        assert_eq!(entity.fields["namespace"], "ci");
        assert_eq!(entity.fields["fullName"], "system:serviceaccount:ci:deployer");
    }

    #[test]
    fn an_entity_without_a_name_is_none() {
        assert_eq!(make("Account", &[("FullName", String::new())]), None);
        assert_eq!(make("Spaceship", &[("Name", "x".to_owned())]), None);
    }
}

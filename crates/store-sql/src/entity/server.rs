pub(crate) mod revocation_head {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "revocation_head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub log_id: Uuid,
        pub seq: i64,
        pub facts: i64,
        pub tip: Option<Vec<u8>>,
    }

    no_relations!();
}

pub(crate) mod revocation_log {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "revocation_log")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub kind: String,
        pub digest: Vec<u8>,
        pub effect: String,
        pub moment_ms: Option<i64>,
        pub owner: Option<Vec<u8>>,
        pub reason: String,
        pub actor: String,
        pub at_ms: i64,
        pub expires_ms: i64,
        pub tip: Option<Vec<u8>>,
    }

    no_relations!();
}

pub(crate) mod server_secrets {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "server_secrets")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub purpose: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub active_from_ms: i64,
        pub wrapped: String,
    }

    no_relations!();
}

pub(crate) mod issuers {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "issuers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub issuer: String,
    }

    no_relations!();
}

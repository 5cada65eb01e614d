pub(crate) mod audit_head {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub seq: i64,
        pub hash: Vec<u8>,
        pub anchor_seq: i64,
        pub anchor_hash: Vec<u8>,
    }

    no_relations!();
}

pub(crate) mod audit_log {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_log")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub at_ms: i64,
        pub event: String,
        pub outcome: String,
        pub actor: String,
        pub target_kind: Option<String>,
        pub target: Option<String>,
        pub request_id: Option<Uuid>,
        pub body: String,
        pub hash: Vec<u8>,
    }

    no_relations!();
}

pub(crate) mod audit_checkpoints {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_checkpoints")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub at_ms: i64,
        pub signed: String,
    }

    no_relations!();
}

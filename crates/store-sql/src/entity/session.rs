pub(crate) mod sessions {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: Uuid,
        pub subject: Uuid,
        pub client_uid: Uuid,
        pub scope: String,
        pub started_ms: i64,
        pub ends_ms: i64,
        pub address: Option<String>,
        pub user_agent: Option<String>,
    }

    no_relations!();
}

pub(crate) mod session_records {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "session_records")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: Uuid,
        pub generation: i64,
        pub rotated_ms: i64,
        pub late_since_ms: i64,
        pub late: i32,
        pub killed: bool,
        pub kill_logged: bool,
        pub ends_ms: i64,
    }

    no_relations!();
}

pub(crate) mod signing_keys {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "signing_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kid: String,
        pub alg: String,
        pub state: String,
        pub published_ms: Option<i64>,
        pub activated_ms: Option<i64>,
        pub retiring_ms: Option<i64>,
        pub retired_ms: Option<i64>,
        pub compromised_ms: Option<i64>,
        pub wrapped: String,
        pub created_ms: i64,
        pub entered_schedule_ms: i64,
        pub certificates: Option<String>,
    }

    no_relations!();
}

pub(crate) mod key_schedule {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "key_schedule")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub fence: i64,
        pub holder: Option<Uuid>,
        pub lease_ends_ms: i64,
        pub elapsed_schedule_ms: i64,
        pub seen_ms: i64,
    }

    no_relations!();
}

pub(crate) mod key_nodes {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "key_nodes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub node: Uuid,
        pub name: String,
        pub seen_schedule_ms: i64,
        pub complete_since_schedule_ms: Option<i64>,
        pub opens: String,
    }

    no_relations!();
}

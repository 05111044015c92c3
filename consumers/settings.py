"""Settings: environment variables with the prefix PREFLEDGER_, or a `prefledger.toml` in the working folder."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ledger.broker import Broker, Protocol, servers_of
from schemas.errors import InputError, shown
from schemas.topics import Topics


class Settings(BaseSettings):
    """What an operator sets; every field can be left out, and `docs/settings.md` lists them."""

    model_config = SettingsConfigDict(env_prefix="PREFLEDGER_", toml_file="prefledger.toml", extra="forbid")

    home: Path = Field(Path(".prefledger"), description="Data folder.")
    ledger_url: str = Field(
        "", description="sqlite:///PATH (by default ledger.db in the data folder) or kafka://HOST:PORT[,HOST:PORT]."
    )
    database_url: str = Field(
        "",
        description="URL of the read models, sqlite:///PATH or postgresql://…; by default a file in the data folder.",
    )
    secret_file: Path = Field(Path(), description="The secret behind references; by default in the data folder.")
    signing_key_file: Path = Field(Path(), description="The key that signs checkpoints; by default beside the secret.")
    pseudonym_key_file: Path = Field(
        Path(), description="The key behind analysts' pseudonyms; by default beside the secret."
    )
    log_name: str = Field(
        "prefledger",
        pattern=r"^[^\s+]{1,200}$",
        description="What the origin of checkpoints begins with: a name of yours.",
    )
    brand: str | None = Field(None, description="The brand meant where a question gives none; by default the policy's.")

    listen: str = Field("127.0.0.1", description="Address that workers and gateways answer on; in a container 0.0.0.0.")
    topics_prefix: str = Field(
        "preferences", pattern=r"^[a-z0-9-]{1,64}$", description="What the names of all topics begin with."
    )
    topics_version: int = Field(1, ge=1, description="Version of the ledger's topics; another number of partitions.")
    kafka_timeout_s: float = Field(
        12, ge=1, description="Seconds until something that the broker has not acknowledged is given up."
    )
    kafka_security_protocol: Protocol = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; for every client."
    )
    kafka_sasl_mechanism: str | None = Field(None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, …")
    kafka_sasl_username: str | None = Field(None, description="Who the client is, as the broker's ACLs name it.")
    kafka_sasl_password_file: Path | None = Field(None, description="A file (0600) that holds the password.")
    kafka_ca_file: Path | None = Field(None, description="Certificates that the broker's is checked against, PEM.")
    kafka_cert_file: Path | None = Field(None, description="The client's certificate, PEM.")
    kafka_key_file: Path | None = Field(None, description="The key of the client's certificate, PEM.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller says counts before the environment, and that before the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @model_validator(mode="after")
    def _fill(self) -> Self:
        self.ledger_url = self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}"
        self.database_url = self.database_url or f"sqlite:///{self._beside('read_models.db')}"
        if self.secret_file == Path():
            self.secret_file = self.home / "secret"
        if self.signing_key_file == Path():
            self.signing_key_file = self.secret_file.with_name("signing-key")
        if self.pseudonym_key_file == Path():
            self.pseudonym_key_file = self.secret_file.with_name("pseudonym-key")
        return self

    @property
    def distributed(self) -> bool:
        """Whether the ledger is on Kafka."""
        return self.ledger_url.startswith("kafka:")

    def broker(self, url: str | None = None) -> Broker:
        """Where the distributed ledger is (or would be, at another URL). Raises InputError for any other."""
        return Broker(
            servers_of(self.ledger_url if url is None else url),
            Topics(self.topics_prefix, self.topics_version),
            self.kafka_security_protocol, self.kafka_sasl_mechanism, self.kafka_sasl_username,
            self.kafka_sasl_password_file, self.kafka_ca_file, self.kafka_cert_file, self.kafka_key_file,
        )  # fmt: skip

    @property
    def ledger_path(self) -> Path:
        """The file of an embedded ledger. Raises InputError for any other kind of URL."""
        scheme, _, path = self.ledger_url.partition(":///")
        if scheme != "sqlite" or not path:
            raise InputError(
                f"PREFLEDGER_LEDGER_URL is {shown(self.ledger_url)}, and this needs a ledger in a file: "
                "write sqlite:///PATH"
            )
        return Path(path)

    @property
    def people_path(self) -> Path:
        """The file of identities and evidence, beside the ledger's."""
        return self.ledger_path.with_name("people.db")

    def proofs_path(self, ledger_id: str) -> Path:
        """The folder of a ledger's checkpoints and tiles. It stays where it is when the ledger is moved."""
        return self.home / "tlog" / ledger_id

    @property
    def decisions_path(self) -> Path:
        """The file of the decisions on real sends, beside the ledger's."""
        return self.ledger_path.with_name("decisions.db")

    @property
    def projections_url(self) -> str:
        """Where the states that audits and the gate's copy are made from are kept: a file of this machine."""
        return f"sqlite:///{self._beside('projections.db')}"

    @property
    def replica_path(self) -> Path:
        """The file of the gate's local copy."""
        return self._beside("replica.snapshot")

    @property
    def mirror_path(self) -> Path:
        """The file in which this machine mirrors the ledger topic."""
        return self._beside("ledger-mirror.db")

    @property
    def people_mirror_path(self) -> Path:
        """The file in which this machine mirrors identities and evidence, whose topics have no versions."""
        return self.home / f"{self.topics_prefix}-people-mirror.db"

    def _beside(self, name: str) -> Path:
        """A file made from the log: of one on Kafka under its topics' name, so that no other log's is taken for it."""
        return self.home / (f"{self.topics_prefix}-v{self.topics_version}-{name}" if self.distributed else name)


def load() -> Settings:
    """The settings in force. Raises InputError for one that is malformed or unknown."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(step) for step in first["loc"])
        raise InputError(f"the setting {name!r} is wrong: {first['msg']}; see docs/settings.md") from None
    except ValueError as error:
        raise InputError(f"prefledger.toml cannot be read: {error}") from None

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The benchmark's fold in Kafka Streams: count the events of a key and keep the last one's id, in a store with a changelog. */
public final class Fold {
    /** Of an event only what the fold needs; the whole text is parsed all the same. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public String event_id;
    }

    /** What is kept of a key. */
    public static final class State {
        public int count;
        public String last;
    }

    private static final String STORE = "states";
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final ObjectReader EVENT = MAPPER.readerFor(Event.class);
    private static final ObjectReader STATE = MAPPER.readerFor(State.class);
    private static final ObjectWriter WRITE = MAPPER.writerFor(State.class);

    private static final class Folding implements Processor<byte[], byte[], Void, Void> {
        private KeyValueStore<byte[], byte[]> states;

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            states = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                Event event = EVENT.readValue(record.value());
                byte[] before = states.get(record.key());
                State state = before == null ? new State() : STATE.readValue(before);
                state.count++;
                state.last = event.event_id;
                states.put(record.key(), WRITE.writeValueAsBytes(state));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    /** BROKER TOPIC APPLICATION FOLDER NAME=VALUE...: settings of Kafka Streams over those of every run. */
    public static void main(String[] arguments) throws InterruptedException {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        for (int place = 4; place < arguments.length; place++) {
            String[] setting = arguments[place].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray())
                .withCachingDisabled()
                .withLoggingEnabled(Map.of()));
        builder.stream(arguments[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray())).process(Folding::new, STORE);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch ended = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }
}

package preferences;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** The three tables in memory, all as of one watermark a partition of the ledger (docs/topics.md). */
final class Reader implements States, AutoCloseable {

    private static final List<String> TABLES = List.of("by-number", "by-account", "reference");
    private static final String VERSION = ".v1"; // another one when the ledger gets more partitions
    private static final String WATERMARK = "~watermark/";
    private static final Duration WAIT = Duration.ofMillis(100);
    static final ObjectMapper JSON = new ObjectMapper();

    /** What a table's partition wrote between two watermarks: it belongs together. */
    private record Segment(long watermark, Map<String, byte[]> changed) {}

    /** What was read of one partition of one table and could not be applied yet. */
    private static final class Tail {
        final Deque<Segment> whole = new ArrayDeque<>();
        Map<String, byte[]> begun = new HashMap<>();
        long reached;
    }

    private final KafkaConsumer<String, byte[]> consumer;
    private final Map<Integer, List<Tail>> tails = new TreeMap<>();
    private final Map<TopicPartition, Tail> tailOf = new HashMap<>();
    private final Map<Integer, Long> watermark = new TreeMap<>();
    private final Map<String, byte[]> stored = new HashMap<>();

    /** Reads the tables up to where they ended when it was called. `settings` are those of any Kafka consumer. */
    Reader(Properties settings, String prefix) {
        settings.put("isolation.level", "read_committed"); // what a worker has written and taken back is not there
        settings.put("enable.auto.commit", "false");
        settings.put("allow.auto.create.topics", "false");
        consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
        for (String table : TABLES) {
            String topic = prefix + "." + table + VERSION;
            var partitions = consumer.partitionsFor(topic);
            if (partitions.isEmpty()) {
                throw new IllegalStateException("there is no topic " + topic);
            }
            for (var partition : partitions) {
                Tail tail = new Tail();
                tailOf.put(new TopicPartition(topic, partition.partition()), tail);
                tails.computeIfAbsent(partition.partition(), at -> new ArrayList<>()).add(tail);
            }
        }
        if (tails.values().stream().anyMatch(of -> of.size() != TABLES.size())) {
            throw new IllegalStateException("the tables of " + prefix + " differ in their number of partitions");
        }
        consumer.assign(tailOf.keySet());
        consumer.seekToBeginning(tailOf.keySet());
        refresh();
        // In a compacted table the states of an old watermark are not whole any more: what replaced them stands further
        // on. So the first answer waits until all three tables have come to the furthest watermark seen in any of them.
        Map<Integer, Long> furthest = new HashMap<>();
        tails.forEach((partition, of) -> furthest.put(partition, reached(of).max().orElse(0)));
        while (furthest.entrySet().stream().anyMatch(it -> watermark.get(it.getKey()) < it.getValue())) {
            readOn();
        }
    }

    /** Reads what the tables have got since, and applies what is whole. */
    void refresh() {
        Map<TopicPartition, Long> ends = consumer.endOffsets(tailOf.keySet());
        do {
            readOn();
        } while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue()));
    }

    /** For each partition of the ledger, up to which offset (exclusive) the states hold what it says. */
    Map<Integer, Long> watermark() {
        return Collections.unmodifiableMap(watermark);
    }

    @Override
    public List<JsonNode> parts(String subject) {
        List<JsonNode> parts = new ArrayList<>();
        byte[] first = stored.get(subject);
        if (first == null) {
            return parts;
        }
        parts.add(parsed(first));
        for (int part = 1; part < parts.get(0).required("parts").intValue(); part++) {
            byte[] next = stored.get(subject + "#" + part);
            if (next == null) {
                throw new IllegalStateException("part " + part + " of the state of " + subject + " is missing");
            }
            parts.add(parsed(next));
        }
        return parts;
    }

    @Override
    public void close() {
        consumer.close();
    }

    private void readOn() {
        for (ConsumerRecord<String, byte[]> record : consumer.poll(WAIT)) {
            Tail tail = tailOf.get(new TopicPartition(record.topic(), record.partition()));
            if (record.key().startsWith(WATERMARK)) {
                tail.reached = parsed(record.value()).required("offset").longValue();
                tail.whole.add(new Segment(tail.reached, tail.begun));
                tail.begun = new HashMap<>();
            } else {
                tail.begun.put(record.key(), record.value());
            }
        }
        tails.forEach(this::apply);
    }

    /** Takes a partition of the ledger as far as all three tables have come. */
    private void apply(int partition, Collection<Tail> of) {
        long least = reached(of).min().orElse(0);
        for (Tail tail : of) {
            while (!tail.whole.isEmpty() && tail.whole.peek().watermark() <= least) {
                tail.whole.remove().changed().forEach(this::store);
            }
        }
        watermark.put(partition, least);
    }

    private static LongStream reached(Collection<Tail> of) {
        return of.stream().mapToLong(tail -> tail.reached);
    }

    private void store(String key, byte[] value) {
        if (value == null) {
            stored.remove(key);
        } else {
            stored.put(key, value);
        }
    }

    private static JsonNode parsed(byte[] value) {
        try {
            return JSON.readTree(value);
        } catch (IOException error) {
            throw new UncheckedIOException("a table holds what is no JSON", error);
        }
    }
}

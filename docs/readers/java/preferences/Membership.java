package preferences;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;

/** When a contact belonged to an account (rules 3 to 5): spells, oldest first. */
record Membership(List<Spell> spells) {

    /** From `joined`, inclusive, to the leaving, exclusive; `left` is null while it lasts. */
    record Spell(long joined, Entry left) {
        boolean contains(long at) {
            return joined <= at && !endedBy(at);
        }

        boolean endedBy(long at) {
            return left != null && left.occurred() <= at;
        }
    }

    /** A reassignment is a leaving of every account; at equal times the link stays; who was not in does not leave. */
    static Membership of(Subject contact, String account) {
        TreeMap<Long, List<Entry>> moves = new TreeMap<>();
        contact.of("ContactLinked", "ContactUnlinked", "NumberReassigned")
                .filter(move -> move.text("account") == null || move.text("account").equals(account))
                .forEach(move -> moves.computeIfAbsent(move.occurred(), at -> new ArrayList<>()).add(move));
        List<Spell> spells = new ArrayList<>();
        Long joined = null;
        for (var together : moves.entrySet()) {
            if (together.getValue().stream().anyMatch(move -> move.type().equals("ContactLinked"))) {
                joined = joined == null ? together.getKey() : joined;
            } else if (joined != null) {
                Entry first = together.getValue().stream().min(Comparator.comparing(Entry::offset)).get();
                spells.add(new Spell(joined, first));
                joined = null;
            }
        }
        if (joined != null) {
            spells.add(new Spell(joined, null));
        }
        return new Membership(spells);
    }

    boolean linked(long at) {
        return spells.stream().anyMatch(spell -> spell.contains(at));
    }

    /** The last leaving up to a time, or null. */
    Entry lastLeaving(long at) {
        return spells.stream().filter(spell -> spell.endedBy(at)).map(Spell::left).reduce((a, b) -> b).orElse(null);
    }

    boolean hadLeft(long at) {
        return lastLeaving(at) != null && !linked(at);
    }

    /** Did not leave after `since`, up to and at `until`. */
    boolean stayed(long since, long until) {
        return spells.stream().noneMatch(spell -> spell.endedBy(until) && !spell.endedBy(since));
    }

    /** Belonged to it at any moment from `start` to `end`, both inclusive. */
    boolean linkedDuring(long start, long end) {
        return spells.stream().anyMatch(spell -> spell.joined() <= end && !spell.endedBy(start));
    }
}

import java.io.FileInputStream;
import java.io.FileOutputStream;
import org.herac.tuxguitar.io.base.TGSongReaderHandle;
import org.herac.tuxguitar.io.base.TGSongStreamContext;
import org.herac.tuxguitar.io.base.TGSongWriterHandle;
import org.herac.tuxguitar.io.gtp.GP5InputStream;
import org.herac.tuxguitar.io.gtp.GP5OutputStream;
import org.herac.tuxguitar.io.gtp.GTPSettings;
import org.herac.tuxguitar.io.midi.MidiSongWriter;
import org.herac.tuxguitar.song.managers.TGSongManager;
import org.herac.tuxguitar.song.models.TGBeat;
import org.herac.tuxguitar.song.models.TGMeasure;
import org.herac.tuxguitar.song.models.TGNote;
import org.herac.tuxguitar.song.models.TGVoice;

/** Opens each file in TuxGuitar, saves it and what it plays beside it, and prints how many notes have which mark. */
public class TuxGuitar {
    public static void main(String[] names) throws Exception {
        for (String name : names) {
            TGSongManager manager = new TGSongManager();
            TGSongReaderHandle in = new TGSongReaderHandle();
            in.setFactory(manager.getFactory());
            in.setInputStream(new FileInputStream(name));
            new GP5InputStream(new GTPSettings()).read(in);
            TGSongWriterHandle out = new TGSongWriterHandle();
            out.setFactory(manager.getFactory());
            out.setSong(in.getSong());
            out.setContext(new TGSongStreamContext());
            out.setOutputStream(new FileOutputStream(name + ".mid"));
            new MidiSongWriter().write(out);
            out.setOutputStream(new FileOutputStream(name + ".saved"));
            new GP5OutputStream(new GTPSettings()).write(out);
            int ghosts = 0, accents = 0, graces = 0, tuplets = 0;
            for (int bar = 0; bar < in.getSong().countMeasureHeaders(); bar++) {
                TGMeasure measure = in.getSong().getTrack(0).getMeasure(bar);
                for (TGBeat beat : measure.getBeats()) {
                    for (int at = 0; at < TGBeat.MAX_VOICES; at++) {
                        TGVoice voice = beat.getVoice(at);
                        for (TGNote note : voice.getNotes()) {
                            ghosts += note.getEffect().isGhostNote() ? 1 : 0;
                            accents += note.getEffect().isAccentuatedNote() ? 1 : 0;
                            graces += note.getEffect().isGrace() ? 1 : 0;
                            tuplets += voice.getDuration().getDivision().getEnters() > 1 ? 1 : 0;
                        }
                    }
                }
            }
            System.out.println(ghosts + " " + accents + " " + graces + " " + tuplets);
        }
    }
}
